"""Tells whether a review praises or complains."""
