-- repeated_experiment: lift tests with the lines, days and metric of an earlier row: evidence that
-- would count twice. Reads: stg_experiments. Level: fail.
-- Advice: keep one row for each test
select
    'experiments' as source,
    file,
    row,
    'from' as "column",
    from_cell as value,
    'repeats the lines, days and metric of an earlier test' as problem
from stg_experiments
qualify
    row_number() over (
        partition by line_1, line_2, line_3, line_4, first_day, last_day, metric
        order by file, row
    ) > 1
order by file, row
