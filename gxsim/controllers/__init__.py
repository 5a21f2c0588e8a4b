"""One file per controller of a cluster: ``reconcile(state, now)`` applies verbs, ``due(state, now)`` says when next."""
