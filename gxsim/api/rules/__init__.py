"""What an API server refuses, by subject; every rule yields violations for a decoded and defaulted object."""
