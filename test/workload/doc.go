// Package workload makes the data and the traffic that migrations are tried with.
//
//	Shop     a realistic web shop: customers, products, orders with lines and payments, accounts with money, an audit log
//	Load     several hundred transactions a second on the shop, with an invariant: money is neither made nor lost
//	Random   a random schema with random transactions, all from one seed
//
// Everything runs on MariaDB and on MySQL through database/sql. Nothing here knows the engine.
package workload
