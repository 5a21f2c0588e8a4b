"""The nouns: cluster objects, model and scenario as frozen dataclasses with nothing left implicit."""
