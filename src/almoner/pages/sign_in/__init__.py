"""The way in: password, second factor, one-time links, and the company's own identity provider."""
