"""Sending an archive elsewhere: an experiment is planned as the target's own files, then applied."""
