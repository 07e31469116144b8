// Codecs around codecs: versions of what is stored, and encryption.
import { randomBytes } from 'node:crypto'
import { encrypted, json, MemoryStorage, versioned } from '@apalis/core'
import { TestWorker } from '@apalis/core/testing'
import { z } from 'zod'

const storage = new MemoryStorage()
const keys = { old: randomBytes(32), new: randomBytes(32) }

// What an earlier version of the program pushed.
const before = storage.queue<{ readonly name: string }>('greetings')
await before.push({ name: 'Ada Lovelace' })

// #region versioned
const Greeting = z.object({ first: z.string(), last: z.string(), title: z.string().default('-') })

const greetings = storage.queue('greetings', {
  args: versioned(json(Greeting), [
    // From what was stored before to what is stored now; the next change adds a function.
    ({ name }: { readonly name: string }) => {
      const [first, last] = name.split(' ')
      return { first, last }
    },
  ]),
})
// #endregion
await greetings.push({ first: 'Grace', last: 'Hopper', title: 'Admiral' })

// #region encrypted
const cards = storage.queue('cards', {
  args: encrypted(json<{ readonly number: string }>(), {
    current: '2030-02',
    keys: { '2030-01': keys.old, '2030-02': keys.new },
  }),
})
// #endregion
await cards.push({ number: '4242 4242 4242 4242' })

await using greeter = new TestWorker(greetings, (worker) =>
  worker.build(({ first, last, title }) => `${title} ${first} ${last}`),
)
for await (const { outcome, result } of greeter.stream()) console.log(outcome, result)
await using payments = new TestWorker(cards, (worker) =>
  worker.build(({ number }) => number.slice(-4)),
)
console.log((await payments.executeNext())?.result)

// Output:
// done - Ada Lovelace
// done Admiral Grace Hopper
// 4242
