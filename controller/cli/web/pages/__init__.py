"""Pure: what each page shows, as plain data for its template. The texts come from the modules of `kubectl rw`."""
