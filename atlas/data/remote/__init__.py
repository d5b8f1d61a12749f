"""Fetching the published data: what there is, by whole files or by ranges, checked and unpacked."""
