import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import type { TaskStore } from '../../src/storage/task-store.ts'
import { conformance } from '../../src/testing/conformance/index.ts'
import type {
  BareHarness,
  CallerTransaction,
  Capability,
  Case,
  Harness,
} from '../../src/testing/harness.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { equal } from './equal.ts'

interface Transaction {
  query(sql: string): Promise<void>
}

type Exchange<Tx> = Required<Pick<TaskStore<Tx>, 'exchange'>>

declare const transactional: TaskStore<Transaction> & Exchange<Transaction>
declare const slow: TaskStore<Transaction>
declare const plain: TaskStore & Exchange<never>
declare const begin: () => Promise<CallerTransaction<Transaction>>
declare const runProducer: (queue: string) => Promise<void>

const parts = {
  clock: new TestClock(),
  advance: async () => {},
  corrupt: async () => {},
  close: async () => {},
}
const open = async (): Promise<typeof transactional> => transactional
const openPlain = async (): Promise<typeof plain> => plain
const openMemory = async (): Promise<MemoryStore> => new MemoryStore()
const openSlow = async (): Promise<TaskStore<Transaction>> => slow

// Who lacks nothing says nothing; who lacks something gives the reason.
equal<readonly Case[]>()(conformance({ harness: () => ({ ...parts, open, begin, runProducer }) }))
conformance({
  harness: () => ({ ...parts, open: openPlain }),
  without: { transactions: 'a reason', producer: 'a reason' },
})
conformance({
  harness: async () => ({ ...parts, open: openMemory }),
  without: { transactions: 'a reason', producer: 'a reason' },
})
conformance({
  harness: () => ({ ...parts, open: openSlow, begin }),
  without: { exchange: 'a reason', producer: 'a reason' },
})
// More may be there than is used.
conformance({
  harness: () => ({ ...parts, open, begin, runProducer }),
  without: {
    transactions: 'a reason',
    'concurrent-transactions': 'a reason',
    exchange: 'a reason',
    producer: 'a reason',
  },
})

const producing = { producer: 'a reason' }
const lacking = { ...producing, transactions: 'a reason' }

// @ts-expect-error no `begin`, and not a word of transactions
conformance({ harness: () => ({ ...parts, open, runProducer }) })
// @ts-expect-error no `runProducer`, and no reason
conformance({ harness: () => ({ ...parts, open, begin }) })
// @ts-expect-error the reason is given for something else
conformance({ harness: () => ({ ...parts, open, begin }), without: { exchange: 'a reason' } })
// @ts-expect-error a store without `exchange`, and no reason
conformance({ harness: () => ({ ...parts, open: openSlow, begin }), without: producing })
// @ts-expect-error a store without transactions has none to begin
conformance({ harness: () => ({ ...parts, open: openPlain, begin }), without: producing })
// @ts-expect-error nor has one that is a class
conformance({ harness: () => ({ ...parts, open: openMemory, begin }), without: producing })
// @ts-expect-error nor one whose transactions would be those of nobody
conformance({ harness: () => ({ ...parts, open: openPlain, begin: never }), without: producing })
// @ts-expect-error a transaction of something else
conformance({ harness: () => ({ ...parts, open, begin: other }), without: producing })
// @ts-expect-error there is no such capability
conformance({ harness: () => ({ ...parts, open }), without: { ...lacking, magic: 'a reason' } })
// @ts-expect-error a reason is a text
conformance({ harness: () => ({ ...parts, open }), without: { ...lacking, exchange: true } })

declare const never: () => Promise<CallerTransaction<never>>
declare const other: () => Promise<CallerTransaction<{ readonly other: number }>>
declare const perhaps: Partial<Record<Capability, string>>
declare const harness: Harness<Transaction>
declare const whole: Harness<Transaction, never>

// @ts-expect-error a reason that may be missing is none
conformance({ harness: () => harness, without: perhaps })
// @ts-expect-error a harness that may lack everything
conformance({ harness: () => harness })
conformance({ harness: () => whole })

// What needs no capability takes every harness.
equal<BareHarness<Transaction>>()(harness)
export const any: Harness<Transaction> = whole
export const few: Harness<Transaction, 'producer'> = whole
// @ts-expect-error it may lack a producer
export const all: Harness<Transaction, never> = few
