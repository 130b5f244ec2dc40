"""Turn knowledge graphs into questions whose answers can be checked."""
