"""The data plane as arrays: requests from users to pods, writes from the outbox to the projection."""
