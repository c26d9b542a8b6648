-- restated_part: a second row of a day and line that differs from the first in a text column, in a
-- table where hardly any line has parts, and with nearly the same spend: a correction that was
-- added below the row it corrects, not a part of a sum.
-- Reads: stg_spend. Level: fail.
-- Advice: keep the newest row of each day and line
with

keys as (
    select
        min(file) as file,
        max(row) as row,
        count(*) as rows,
        min(spend) as least,
        max(spend) as most,
        day,
        [line_1, line_2, line_3, line_4] as names
    from stg_spend
    where day is not null and not is_repeat
    group by day, line_1, line_2, line_3, line_4
),

parted as (
    select count_if(rows > 1) as multiple, count(*) as total from keys
)

select
    'spend' as source,
    keys.file,
    keys.row,
    'line' as "column",
    keys.day::text || ' '
    || array_to_string(list_filter(keys.names, lambda name: name <> ''), ' / ') as value,
    'has ' || keys.rows || ' rows of nearly the same spend' as problem
from keys
cross join parted
where
    keys.rows > 1
    and keys.least > 0
    and keys.most <= 1.25 * keys.least
    and parted.multiple <= 0.05 * parted.total
order by keys.file, keys.row
