import { test } from 'node:test'
import { broken, caughtInMemory } from '../twins/broken.ts'

for (const one of broken) {
  test(`the simulation catches: ${one.name}`, async (t) => {
    t.diagnostic((await caughtInMemory(one)).text)
  })
}
