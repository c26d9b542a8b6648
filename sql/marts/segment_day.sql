-- segment_day: who could be written to, what was sent and what came of it, one row per day,
-- segment, dose and bucket.
-- Reads: stg_contacts, night. Rows of the plan's day or later are left out, and rows with a cell
-- that cannot be read; sql/marts/contact_fault names those. Sums are of decimals, so that the
-- order of rows never shows.
select
    day,
    line_1,
    line_2,
    line_3,
    line_4,
    dose,
    bucket,
    sum(persons::decimal(18, 4) * times)::double as persons,
    sum(touches::decimal(18, 4) * times)::double as touches,
    sum(must_send::decimal(18, 4) * times)::double as must_send,
    sum(conversions::decimal(18, 4) * times)::double as conversions,
    sum(value::decimal(18, 4) * times)::double as value,
    sum(leavers::decimal(18, 4) * times)::double as leavers
from stg_contacts
cross join night
where
    day between night.first_day and night.last_day
    and not no_name(line_1) and dose is not null
    and persons is not null and touches is not null and must_send is not null
    and conversions is not null and value is not null and leavers is not null
group by day, line_1, line_2, line_3, line_4, dose, bucket
order by line_1, line_2, line_3, line_4, day, dose, bucket
