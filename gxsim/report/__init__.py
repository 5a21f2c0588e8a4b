"""A result for people and programs: terminal tables, a page with pictures, JSON and CSV."""
