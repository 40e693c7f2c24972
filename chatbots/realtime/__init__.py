"""Speech and text over one socket: the Realtime API of OpenAI."""
