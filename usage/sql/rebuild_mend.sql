-- The differences, mended: rows that count nothing go, the others say what is counted. Under the locks of the wallet and of the lifetime row.
WITH differing AS MATERIALIZED (
{differences}
), gone AS (
    DELETE FROM {table} row USING differing WHERE ({keys_of_row}) = ({keys_of_differing}) AND differing.counted IS NULL
), mended AS (
    INSERT INTO {table} ({keys}, {counts})
    SELECT {keys}, {counted} FROM differing WHERE differing.counted IS NOT NULL
    ON CONFLICT ({keys}) DO UPDATE SET ({counts}) = ROW ({excluded})
)
SELECT * FROM differing
