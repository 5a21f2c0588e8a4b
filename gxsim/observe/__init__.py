"""What a run means: array functions of the Timeline, each giving one table."""
