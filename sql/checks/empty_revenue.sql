-- empty_revenue: empty cells of revenue beside 0 conversions, taken as 0: the first, and how many.
-- Reads: stg_outcomes. Level: pass, by row.
-- Advice: none is needed; write 0 where a source can
select
    'outcomes' as source,
    min_by(file, (file, row)) as file,
    min_by(row, (file, row)) as row,
    'revenue' as "column",
    '' as value,
    'is empty beside 0 conversions and taken as 0 (' || count(*) || ' such cells)' as problem,
    'pass' as level
from stg_outcomes
where metric = 'revenue' and value_cell = '' and value = 0
having count(*) > 0
