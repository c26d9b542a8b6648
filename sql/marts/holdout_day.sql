-- holdout_day: what people held out of the rotation were shown and brought, per day and audience.
-- Reads: stg_exposures, night. Rows count as in creative_day.
select
    day,
    audience,
    sum(impressions::decimal(18, 4) * times)::double as impressions,
    sum(clicks::decimal(18, 4) * times)::double as clicks,
    sum(conversions::decimal(18, 4) * times)::double as conversions,
    sum(value::decimal(18, 4) * times)::double as value
from stg_exposures
cross join night
where
    day between night.first_day and night.last_day
    and is_holdout
    and not no_name(audience) and not no_name(creative)
    and impressions is not null and clicks is not null
    and conversions is not null and value is not null
group by day, audience
order by day, audience
