"""Questions about one state of a cluster: where pods go, why, and what a change would move."""
