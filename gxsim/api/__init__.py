"""What an API server does to an object before it stores it: plain dict in, plain dict out."""
