-- The tables of schema 1, for good: files whose series had names and no numbers were of schema 1 too,
-- so that number alone does not tell what is in a file. From here on it does.

-- What is in the tables already is not read again, whatever bytes it is in.
DELETE FROM journal WHERE id <= (SELECT value FROM meta WHERE key = 'folded');
