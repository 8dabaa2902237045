//! Payment lists, block lists, terminal provisioning, sync and ingestion.
