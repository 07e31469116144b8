import assert from 'node:assert/strict'
import { test } from 'node:test'

import { checkRooms } from '../check-rooms.ts'
import { makeFolder } from './make-folder.ts'

const manifests = {
  'packages/core/package.json': JSON.stringify({
    name: '@apalis/core',
    exports: { '.': {}, './testing': {} },
    peerDependencies: { chance: '^1.0.0' },
    peerDependenciesMeta: { chance: { optional: true } },
  }),
  'packages/sqlite/package.json': JSON.stringify({
    name: '@apalis/sqlite',
    exports: { '.': {} },
    peerDependencies: { '@apalis/core': '^0.1.0', driver: '^1.0.0' },
  }),
}

function check(files: Record<string, string>): string[] {
  using folder = makeFolder({ ...manifests, ...files })
  return checkRooms(folder.path)
}

const allowed: Record<string, Record<string, string>> = {
  'rooms before its own, its own room and node:': {
    'packages/core/src/service/service.ts': `
      import { readFile } from 'node:fs/promises'
      import type { Task } from '../task/task.ts'
      import { json } from '../codec/json.ts'
      import { layer } from './layer.ts'
      export { now } from '../time/clock.ts'`,
  },
  'the index imports every room but testing': {
    'packages/core/src/index.ts': `export { Monitor } from './monitor/monitor.ts'`,
  },
  'tests import their own sources, core, its testing kit and test libraries': {
    'packages/core/test/task/task.test.ts': `
      import { Task } from '../../src/task/task.ts'
      import { TestClock } from '@apalis/core/testing'
      import * as z from 'zod'`,
    'packages/sqlite/test/a.test.ts': `import { SqliteStorage } from '@apalis/sqlite'`,
  },
  "tests of every package use core's twins": {
    'packages/sqlite/test/a.test.ts': `import { twins } from '../../core/test/twins/index.ts'`,
  },
  'a package imports core and its peers': {
    'packages/sqlite/src/storage.ts': `
      import { Queue } from '@apalis/core'
      import type { Client } from 'driver/types'`,
  },
  "core's testing kit imports an optional peer as types and in calls": {
    'packages/core/src/testing/model.ts': `
      import type * as Chance from 'chance'
      export const load = (): Promise<typeof Chance> => import('chance')`,
  },
  'examples import public entry points, their own files and libraries': {
    'examples/manifest/src/main.ts': `
      import { Monitor } from '@apalis/core'
      import { SqliteStorage } from '@apalis/sqlite'
      import { bar } from 'progress'
      import { walk } from './walk.ts'`,
  },
  'words in comments and strings are no imports': {
    'packages/core/src/time/clock.ts': `
      // import { Task } from '../task/task.ts'
      export const text = "export * from 'zod'"`,
  },
}

for (const [name, files] of Object.entries(allowed)) {
  test(`allowed: ${name}`, () => {
    assert.deepEqual(check(files), [])
  })
}

/** A file, what stands in it, and the start of the line that refuses it. */
const refused: readonly [file: string, text: string, line: string][] = [
  [
    'packages/core/src/time/clock.ts',
    `\nimport { Task } from '../task/task.ts'`,
    "packages/core/src/time/clock.ts:2 imports '../task/task.ts': time may import itself and internal",
  ],
  [
    'packages/core/src/internal/a.ts',
    `export type { Clock } from '../time/clock.ts'`,
    "packages/core/src/internal/a.ts:1 imports '../time/clock.ts': internal may import nothing but itself",
  ],
  [
    'packages/core/src/task/task.ts',
    `import type { Codec } from '../codec/codec.ts'`,
    "packages/core/src/task/task.ts:1 imports '../codec/codec.ts': task may import itself and internal, time, errors",
  ],
  [
    'packages/core/src/codec/codec.ts',
    `export type Of = import('../task/task.ts').Task`,
    "packages/core/src/codec/codec.ts:1 imports '../task/task.ts': codec may import itself",
  ],
  [
    'packages/core/src/backend/backend.ts',
    `export const worker = await import('../worker/worker.ts')`,
    "packages/core/src/backend/backend.ts:1 imports '../worker/worker.ts': backend may import itself",
  ],
  [
    'packages/core/src/index.ts',
    `export { TestClock } from './testing/index.ts'`,
    "packages/core/src/index.ts:1 imports './testing/index.ts': testing is its own entry point",
  ],
  [
    'packages/core/src/testing/index.ts',
    `export { Task } from '../index.ts'`,
    "packages/core/src/testing/index.ts:1 imports '../index.ts': src/index.ts is for users",
  ],
  [
    'packages/core/src/helpers/a.ts',
    ``,
    "packages/core/src/helpers/a.ts:1 is in no room: core's sources live in src/index.ts or in internal",
  ],
  [
    'packages/core/src/task/task.ts',
    `import * as z from 'zod'`,
    "packages/core/src/task/task.ts:1 imports 'zod': core has no runtime dependencies",
  ],
  [
    'packages/core/src/testing/model.ts',
    `import { Chance } from 'chance'`,
    "packages/core/src/testing/model.ts:1 imports 'chance': users may do without it: import types, or import it in a call",
  ],
  [
    'packages/core/src/task/task.ts',
    `import type { Chance } from 'chance'`,
    "packages/core/src/task/task.ts:1 imports 'chance': core has no runtime dependencies",
  ],
  [
    'packages/core/src/task/task.ts',
    `import { Task } from '@apalis/core'`,
    "packages/core/src/task/task.ts:1 imports '@apalis/core': core has no runtime dependencies",
  ],
  [
    'packages/core/src/task/task.ts',
    `import { join } from 'path'`,
    "packages/core/src/task/task.ts:1 imports 'path': write it as 'node:path'",
  ],
  [
    'packages/core/src/task/task.ts',
    `import { make } from '../../test/make.ts'`,
    "packages/core/src/task/task.ts:1 imports '../../test/make.ts': sources import nothing outside src",
  ],
  [
    'packages/sqlite/src/a.ts',
    `import { Task } from '../../core/src/task/task.ts'`,
    "packages/sqlite/src/a.ts:1 imports '../../core/src/task/task.ts': it leaves packages/sqlite",
  ],
  [
    'packages/sqlite/src/a.ts',
    `import { twins } from '../../core/test/twins/index.ts'`,
    "packages/sqlite/src/a.ts:1 imports '../../core/test/twins/index.ts': it leaves packages/sqlite",
  ],
  [
    'packages/sqlite/test/a.test.ts',
    `import { lab } from '../../core/test/lab.ts'`,
    "packages/sqlite/test/a.test.ts:1 imports '../../core/test/lab.ts': it leaves packages/sqlite",
  ],
  [
    'packages/sqlite/src/a.ts',
    `import { Task } from '@apalis/core/task'`,
    "packages/sqlite/src/a.ts:1 imports '@apalis/core/task': it is no public entry point",
  ],
  [
    'packages/sqlite/src/a.ts',
    `import { TestClock } from '@apalis/core/testing'`,
    "packages/sqlite/src/a.ts:1 imports '@apalis/core/testing': sources do not import the testing kit",
  ],
  [
    'packages/sqlite/src/a.ts',
    `import { PostgresStorage } from '@apalis/postgres'`,
    "packages/sqlite/src/a.ts:1 imports '@apalis/postgres': packages import core and never each other",
  ],
  [
    'packages/sqlite/test/a.test.ts',
    `import { PostgresStorage } from '@apalis/postgres'`,
    "packages/sqlite/test/a.test.ts:1 imports '@apalis/postgres': packages import core",
  ],
  [
    'packages/sqlite/src/a.ts',
    `import stray from 'stray'`,
    "packages/sqlite/src/a.ts:1 imports 'stray': it is neither a dependency nor a peer of packages/sqlite",
  ],
  [
    'examples/seed/src/a.ts',
    `import { Task } from '@apalis/core/src/task/task.ts'`,
    "examples/seed/src/a.ts:1 imports '@apalis/core/src/task/task.ts': it is no public entry point: these are @apalis/core, @apalis/core/testing, @apalis/sqlite",
  ],
  [
    'examples/seed/src/a.ts',
    `import { Task } from '../../../packages/core/src/index.ts'`,
    "examples/seed/src/a.ts:1 imports '../../../packages/core/src/index.ts': it leaves examples/seed",
  ],
  [
    'packages/core/src/task/index.ts',
    `export * from './task.ts'`,
    'packages/core/src/task/index.ts:1 has `export *`',
  ],
  ['examples/seed/src/a.ts', `export default 1`, 'examples/seed/src/a.ts:1 has a default export'],
  ['packages/core/src/task/task.ts', `import {`, 'packages/core/src/task/task.ts:1 cannot be read'],
]

for (const [file, text, line] of refused) {
  test(`refused: ${line}`, () => {
    const breaches = check({ [file]: text })
    assert.equal(breaches.length, 1, breaches.join('\n'))
    assert.equal(breaches[0]?.slice(0, line.length), line)
  })
}
