-- unusable_name: cells of the line columns that cannot name a budget line.
-- Reads: stg_spend, stg_outcomes, night. Level: fail.
-- Advice: give every row a name of 1 to 200 printable characters
with

names as (
    select
        'spend' as source,
        min(file) as file,
        min(row) as row,
        line_1,
        line_2,
        line_3,
        line_4
    from stg_spend
    group by line_1, line_2, line_3, line_4
    union all
    select
        'outcomes' as source,
        min(file) as file,
        min(row) as row,
        line_1,
        line_2,
        line_3,
        line_4
    from stg_outcomes
    group by line_1, line_2, line_3, line_4
),

cells as (
    select
        source,
        file,
        row,
        unnest([line_1, line_2, line_3, line_4][1:levels]) as value,
        -- outcomes of groups of lines have no name in the other columns
        unnest([by_1, by_2, by_3, by_4][1:levels]) or source = 'spend' as is_named
    from names
    cross join night
)

select
    source,
    file,
    row,
    'line' as "column",
    left(value, 60) as value,
    case
        when trim(value) = '' then 'is empty'
        when length(value) > 200 then 'is longer than 200 characters'
        else 'holds a control character'
    end as problem
from cells
where
    (trim(value) = '' and is_named)
    or length(value) > 200
    or regexp_matches(
        value, '[\x00-\x1f\x7f-\x{9f}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]'
    )
order by source, file, row
