"""The command line: one verb per public function; parses and prints, nothing else."""
