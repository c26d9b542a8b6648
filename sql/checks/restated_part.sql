-- restated_part: further rows of a day and line that differ from the first in a text column and are
-- no parts of a sum. Either hardly any line of the table has parts and the spend is nearly the
-- same: a correction that was added below the row it corrects. Or nearly all that look like parts
-- are equal in every number, and the amounts vary: two exports of the same days.
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
        min(spend) = max(spend)
        and count(distinct clicks) <= 1
        and count(distinct impressions) <= 1 as is_equal,
        day,
        [line_1, line_2, line_3, line_4] as names
    from stg_spend
    where day is not null and not is_repeat
    group by day, line_1, line_2, line_3, line_4
),

parted as (
    select
        count_if(rows > 1) as multiple,
        count(*) as total,
        count_if(rows > 1 and most > 0) as paid,
        count_if(rows > 1 and most > 0 and is_equal) as equal,
        count(distinct least) filter (rows > 1 and most > 0 and is_equal) as amounts
    from keys
)

select
    'spend' as source,
    keys.file,
    keys.row,
    'line' as "column",
    keys.day::text || ' '
    || array_to_string(list_filter(keys.names, lambda name: name <> ''), ' / ') as value,
    'has ' || keys.rows || ' rows of '
    || if(keys.is_equal, 'the same spend', 'nearly the same spend') as problem
from keys
cross join parted
where
    keys.rows > 1
    and keys.least > 0
    and keys.most <= 1.25 * keys.least
    and (
        parted.multiple <= 0.05 * parted.total
        -- an even split of real money is a cent apart every second time
        or (
            keys.is_equal
            and parted.equal >= 0.95 * parted.paid
            and parted.amounts >= 5
            and parted.amounts >= 0.1 * parted.equal
        )
    )
order by keys.file, keys.row
