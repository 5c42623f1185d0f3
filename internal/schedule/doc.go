// Package schedule keeps task types, the schedules of customers and their call tasks: what is planned, which calls a
// dialer holds, and what became of them. It reads the [calling.Case] of a customer, asks package calling what the
// law and the organization allow, and stores the answer.
//
// # A call task
//
//	                   lease over
//	          +-------------------------+
//	          v                         |
//	    +---------+   claimed     +-----------+   call began   +-------------+
//	--> | PENDING | ------------> |  CLAIMED  | -------------> | IN_PROGRESS |
//	    +---------+               +-----------+                +-------------+
//	      |  |  |                   |  |  |  |                    |       |
//	      |  |  |                   |  |  |  +---- outcome -------+       |
//	      |  |  |                   |  |  |                       v       v
//	      |  |  |                   |  |  |               COMPLETED       FAILED
//	      |  |  |                   |  |  |               the outcome     wrong number,
//	      |  |  |                   |  |  |               was reported    dialer lost
//	      |  |  +--- withdrawn -----|--|--+-----------> CANCELLED
//	      |  +------ window over ---|--+--------------> EXPIRED
//	      +--------- rule denies ---+-----------------> SKIPPED
//
// A task that is in progress never goes back: the consumer may have heard the phone ring. What else
// follows from an outcome is in [calling.Consequences].
package schedule
