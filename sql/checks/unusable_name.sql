-- unusable_name: cells of the line columns that cannot name a budget line.
-- Reads: spend, outcomes, night (the snapshot, all text). Level: fail.
-- Advice: give every row a name of 1 to 200 printable characters
with

cells as (
    select 'spend' as source, file, row, unnest([line_1, line_2, line_3, line_4][1:levels]) as value
    from spend
    cross join night
    union distinct
    select
        'outcomes' as source, file, row, unnest([line_1, line_2, line_3, line_4][1:levels]) as value
    from outcomes
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
where trim(value) = '' or length(value) > 200 or regexp_matches(value, '[\x00-\x1f\x7f-\x9f]')
order by source, file, row
