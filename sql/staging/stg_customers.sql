-- stg_customers: who can be decided for, one row per person, with the channels they consented to.
-- Reads: customers (texts), withdrawn, offer_action. Consent is channels joined by '|', or true for
-- every channel; anything else is none. Somebody given twice keeps only what every row allows. Who
-- withdrew is not in it, nor who has no segment.
with

every_channel as (
    select list(distinct channel) as channels
    from offer_action
    where not is_nothing
),

told as (
    select
        customers.person,
        customers.segment,
        case
            when lower(trim(customers.consent)) in ('true', '1') then every_channel.channels
            else list_intersect(
                list_transform(string_split(customers.consent, '|'), lambda one: trim(one)),
                every_channel.channels
            )
        end as channels
    from customers
    cross join every_channel
    left join withdrawn on customers.person = withdrawn.person
    where withdrawn.person is null and customers.person <> '' and not no_name(customers.segment)
),

people as (
    select
        person,
        min(segment) as segment,
        count(*) as times
    from told
    group by person
),

said as (
    select
        person,
        unnest(channels) as channel
    from told
),

agreed as (
    select
        person,
        channel,
        count(*) as times
    from said
    group by person, channel
)

select
    people.person,
    people.segment,
    coalesce(
        list(agreed.channel order by agreed.channel) filter (where agreed.times = people.times),
        []
    ) as channels
from people
left join agreed on people.person = agreed.person
group by people.person, people.segment
