CREATE TABLE customers (
  id int unsigned NOT NULL AUTO_INCREMENT COMMENT 'never reused',
  email varchar(120) NOT NULL,
  name varchar(80) CHARACTER SET utf8mb4 NOT NULL,
  country char(2) CHARACTER SET ascii NOT NULL DEFAULT 'DE',
  tier enum('free','pro','enterprise') NOT NULL DEFAULT 'free',
  interests set('books','music','garden','kitchen','sport') DEFAULT NULL,
  profile json DEFAULT NULL,
  referred_by int unsigned DEFAULT NULL,
  newsletter tinyint(1) NOT NULL DEFAULT 0,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  UNIQUE KEY customers_email (email),
  KEY customers_country (country, tier),
  CONSTRAINT customers_referred_by FOREIGN KEY (referred_by) REFERENCES customers (id) ON DELETE SET NULL
) COMMENT 'people who buy';

CREATE TABLE accounts (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  customer_id int unsigned NOT NULL,
  balance decimal(18,4) NOT NULL DEFAULT 0,
  version int NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY accounts_customer (customer_id),
  CONSTRAINT accounts_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE
);

CREATE TABLE products (
  sku varchar(24) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name varchar(120) NOT NULL,
  description text,
  price decimal(12,2) NOT NULL,
  weight double DEFAULT NULL,
  rating float DEFAULT NULL,
  tags json DEFAULT NULL,
  thumbnail varbinary(64) DEFAULT NULL,
  flags bit(12) NOT NULL DEFAULT b'0',
  since year DEFAULT NULL,
  active tinyint(1) NOT NULL DEFAULT 1,
  PRIMARY KEY (sku),
  KEY products_name (name(20))
);

CREATE TABLE orders (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  code char(14) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  customer_id int unsigned NOT NULL,
  status enum('new','paid','shipped','cancelled') NOT NULL DEFAULT 'new',
  total decimal(14,2) NOT NULL,
  placed_at datetime(6) NOT NULL,
  shipped_on date DEFAULT NULL,
  handling time(3) DEFAULT NULL,
  note text,
  PRIMARY KEY (id),
  UNIQUE KEY orders_code (code),
  KEY orders_customer (customer_id, placed_at),
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE
);

CREATE TABLE order_lines (
  order_id bigint unsigned NOT NULL,
  line smallint unsigned NOT NULL,
  sku varchar(24) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  quantity int NOT NULL,
  price decimal(12,2) NOT NULL,
  discount float DEFAULT NULL,
  PRIMARY KEY (order_id, line),
  KEY order_lines_sku (sku),
  CONSTRAINT order_lines_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
  CONSTRAINT order_lines_sku FOREIGN KEY (sku) REFERENCES products (sku) ON UPDATE CASCADE
);

CREATE TABLE payments (
  id binary(16) NOT NULL,
  order_id bigint unsigned DEFAULT NULL,
  amount decimal(14,2) NOT NULL,
  method enum('card','transfer','voucher') NOT NULL,
  paid_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  receipt blob,
  PRIMARY KEY (id),
  KEY payments_order (order_id),
  CONSTRAINT payments_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE SET NULL
);

CREATE TABLE ledger (
  op bigint NOT NULL,
  debit bigint unsigned NOT NULL,
  credit bigint unsigned NOT NULL,
  amount decimal(18,4) NOT NULL,
  at datetime(6) NOT NULL,
  PRIMARY KEY (op)
);

CREATE TABLE seats (
  id int NOT NULL,
  seat int DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY seats_seat (seat)
);

CREATE TABLE audit_log (
  id bigint NOT NULL AUTO_INCREMENT,
  at datetime(3) NOT NULL,
  actor varchar(40) NOT NULL,
  action varchar(40) NOT NULL,
  detail json DEFAULT NULL,
  PRIMARY KEY (id),
  KEY audit_log_at (at)
);
