-- A block list is kept in full, or as what changed since the one before it (DATA.md 4.2): `cards` holds its entries, or the changes
-- to the list `base`.
ALTER TABLE block_list ADD COLUMN base BIGINT CHECK (base < number);
