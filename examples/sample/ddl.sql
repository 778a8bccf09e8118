-- The source database of the demo.
CREATE TABLE shop.customers (
  id bigint PRIMARY KEY,
  name text NOT NULL,
  email text,
  city text,
  credit numeric(10,2) NOT NULL,
  since date
);

CREATE TABLE shop.orders (
  id bigint PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES shop.customers (id),
  status text NOT NULL,
  total numeric(10,2) NOT NULL,
  placed_at timestamptz NOT NULL,
  note text
);
