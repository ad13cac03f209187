"""One file a page: it reads the answers and returns what its template shows."""
