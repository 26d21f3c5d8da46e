package main

// table is one of the measured tables, made on the source from its SEQUENCE engine so that every run has the same bytes.
type table struct {
	name    string
	rows    func(options) int
	create  string // on the source; %d is the number of rows
	target  string // on the target, for the tools that do not make it themselves
	text    string // what the hand-made pipe selects, in the form that COPY reads
	indexes string // primary key and indexes on the target
}

var tables = []table{
	{
		name: "narrow",
		rows: func(o options) int { return o.narrow },
		create: `CREATE TABLE narrow (id int NOT NULL AUTO_INCREMENT, k int NOT NULL DEFAULT 0, c char(120) NOT NULL DEFAULT '',
  pad char(60) NOT NULL DEFAULT '', PRIMARY KEY (id), KEY k_1 (k)) DEFAULT CHARSET=utf8mb4;
INSERT INTO narrow SELECT seq, 1 + (seq*2654435761 %% 5000000),
  CONCAT_WS('-', LPAD(seq*7919 %% 99999999977,11,'0'), LPAD(seq*104729 %% 99999999943,11,'0'), LPAD(seq*1299709 %% 99999999907,11,'0'),
    LPAD(seq*15485863 %% 99999999871,11,'0'), LPAD(seq*32452843 %% 99999999851,11,'0'), LPAD(seq*49979687 %% 99999999829,11,'0'),
    LPAD(seq*67867967 %% 99999999821,11,'0'), LPAD(seq*86028121 %% 99999999769,11,'0'), LPAD(seq*104395301 %% 99999999761,11,'0'),
    LPAD(seq*122949823 %% 99999999737,11,'0')),
  CONCAT_WS('-', LPAD(seq*141650939 %% 99999999721,11,'0'), LPAD(seq*160481183 %% 99999999673,11,'0'), LPAD(seq*179424673 %% 99999999667,11,'0'),
    LPAD(seq*198491317 %% 99999999599,11,'0'), LPAD(seq*217645177 %% 99999999577,11,'0')) FROM seq_1_to_%d;
ANALYZE TABLE narrow`,
		target:  `CREATE TABLE bench.narrow (id int NOT NULL, k int NOT NULL, c varchar(120) NOT NULL, pad varchar(60) NOT NULL)`,
		text:    `SELECT * FROM narrow`,
		indexes: `ALTER TABLE bench.narrow ADD PRIMARY KEY (id); CREATE INDEX ON bench.narrow (k); ANALYZE bench.narrow`,
	},
	{
		name: "wide",
		rows: func(o options) int { return o.wide },
		create: `CREATE TABLE wide (id bigint unsigned NOT NULL AUTO_INCREMENT, user_id bigint unsigned NOT NULL, ref varbinary(16) NOT NULL,
  status enum('new','paid','shipped','delivered','cancelled','refunded') NOT NULL, is_gift tinyint(1) NOT NULL, email varchar(120) NOT NULL,
  full_name varchar(120) NULL, note text NULL, total decimal(12,2) NOT NULL, tax decimal(10,4) NULL, weight double NULL, attrs json NULL,
  quantity int NOT NULL, created_at datetime(6) NOT NULL, updated_at timestamp NOT NULL, shipped_at datetime(6) NULL,
  PRIMARY KEY (id), KEY k_user (user_id), KEY k_created (created_at)) DEFAULT CHARSET=utf8mb4;
INSERT INTO wide SELECT seq, 1 + (seq*2654435761 %% 400000), UNHEX(MD5(seq)), 1 + seq %% 6, seq %% 7 = 0,
  CONCAT('user', seq*7919 %% 400000, '@example', seq %% 97, '.com'),
  IF(seq %% 11 = 0, NULL, CONCAT(ELT(1+seq%%6,'Zoë','José','Søren','李雷','Иван','Anna'), ' ', ELT(1+seq%%5,'Müller','Õun','Smith','Nguyễn','O''Brien'), ' 😀')),
  IF(seq %% 10 = 0, NULL, CONCAT('line one of order ', seq, '\n\ttab and back\\slash "quoted" ', MD5(seq+1), ' ', MD5(seq+2), ' ', REPEAT('lorem ipsum ', seq %% 16))),
  (seq*7919 %% 10000000) / 100, IF(seq %% 5 = 0, NULL, (seq*104729 %% 100000000) / 10000), IF(seq %% 13 = 0, NULL, (seq*31 %% 1000003) / 7.0e0),
  IF(seq %% 9 = 0, NULL, JSON_OBJECT('sku', CONCAT('SKU-', seq %% 5000), 'qty', seq %% 9, 'tags', JSON_ARRAY('a', 'b"c', seq %% 3), 'price', (seq %% 1000)/10)),
  seq %% 50, '2019-01-01 00:00:00' + INTERVAL (seq*41) SECOND + INTERVAL (seq*999983 %% 1000000) MICROSECOND,
  '2020-01-01 00:00:00' + INTERVAL (seq*37) SECOND,
  IF(seq %% 3 = 0, NULL, '2019-02-01 00:00:00' + INTERVAL (seq*41) SECOND + INTERVAL (seq*31 %% 1000000) MICROSECOND) FROM seq_1_to_%d;
ANALYZE TABLE wide`,
		target: `CREATE TYPE bench.wide_status AS ENUM ('new','paid','shipped','delivered','cancelled','refunded');
CREATE TABLE bench.wide (id bigint NOT NULL, user_id bigint NOT NULL, ref bytea NOT NULL, status bench.wide_status NOT NULL, is_gift boolean NOT NULL,
  email varchar(120) NOT NULL, full_name varchar(120), note text, total numeric(12,2) NOT NULL, tax numeric(10,4), weight float8, attrs jsonb,
  quantity int NOT NULL, created_at timestamp(6) NOT NULL, updated_at timestamptz NOT NULL, shipped_at timestamp(6))`,
		text: `SELECT id, user_id, CONCAT('\\x', HEX(ref)), status, is_gift, email, full_name, note, total, tax, weight, attrs, quantity, created_at,
  updated_at, shipped_at FROM wide`,
		indexes: `ALTER TABLE bench.wide ADD PRIMARY KEY (id); CREATE INDEX ON bench.wide (user_id); CREATE INDEX ON bench.wide (created_at); ANALYZE bench.wide`,
	},
}
