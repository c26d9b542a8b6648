-- plain_amount(cell): the amount that a text is, or null: a plain number from zero up to what any
-- account holds. Money, clicks and outcomes are amounts.
create or replace macro plain_amount(cell) as (
    case when plain_number(cell) between 0 and 1e15 then plain_number(cell) end
);
