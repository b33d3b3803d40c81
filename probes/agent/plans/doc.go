// Package plans is what an agent measures: handed out by its server, kept in its data folder, in force from stated slots.
//
//  1. A Follower hears from every reply which version the server has, and fetches another than its own.
//  2. A Book takes what was fetched, whole or not at all, and keeps it before it is in force: without the server the agent goes on with
//     what it has, also after a restart.
//  3. A check goes on under its old plan until the slot from which the new one is in force, so that no slot is lost.
package plans
