"""Every event of the Realtime API, typed, in today's dialect (GA) and in the beta's."""
