import { test } from 'node:test'
import type { BareHarness } from '@apalis/core/testing'
import { broken, caught, caughtInMemory } from '../../core/test/twins/broken.ts'
import type { PostgresTransaction } from '../src/client.ts'
import { long } from './support/long.ts'
import { pgliteHarness } from './support/pglite-harness.ts'
import { missing, serverHarness } from './support/server-harness.ts'

function catches(
  place: string,
  makeHarness: () => Promise<BareHarness<PostgresTransaction>>,
  skip?: string,
): void {
  for (const one of broken) {
    test(`on ${place} the simulation catches: ${one.name}`, { skip }, async (t) => {
      // What a seed shows in memory it shows anywhere.
      const { seed } = await caughtInMemory(one)
      t.diagnostic((await caught(one, makeHarness, seed)).text)
    })
  }
}

catches('PGlite', pgliteHarness)
if (long) catches('a server', serverHarness, missing)
