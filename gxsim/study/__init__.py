"""Runs and what they give: one scenario, or the same one many times."""
