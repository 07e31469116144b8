// Checks who may import whom, since neither tsc nor the linter does: `node scripts/check-rooms.ts`.
import { globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'

import { parseSync, Visitor } from 'oxc-parser'

/** The rooms of `packages/core/src`, in order: each may import the steps before its own. */
const steps: readonly (readonly string[])[] = [
  ['internal'],
  ['time'],
  ['errors'],
  ['task', 'codec'],
  ['service'],
  ['backend'],
  ['storage'],
  ['layers'],
  ['worker'],
  ['monitor'],
  ['testing'],
]

const rooms = steps.flat()
const core = '@apalis/core'
const scope = '@apalis/'
/** What tests of every storage use, and no user does. */
const twins = 'packages/core/test/twins/'

interface Package {
  readonly name: string
  /** What users may import: `@apalis/core`, `@apalis/core/testing`. */
  readonly entries: readonly string[]
  /** What its sources may import besides core: dependencies and peers. */
  readonly dependencies: readonly string[]
  /** Those that users may do without. */
  readonly optional: readonly string[]
}

interface Place {
  /** From the root, with forward slashes. */
  readonly file: string
  /** The package, example or bench that the file belongs to: `packages/core`. */
  readonly home: string
  readonly kind: 'source' | 'test' | 'outside'
}

interface Import {
  readonly specifier: string
  readonly start: number
  /** Whether nothing is loaded with the file: only types are imported, or it happens in a call. */
  readonly lazy: boolean
}

/** Every breach of the import rules under `root`, as one line each: where, what, why. */
export function checkRooms(root: string): string[] {
  const packages = readPackages(root)
  const files = globSync('{packages/*/{src,test},examples/*,bench}/**/*.ts', {
    cwd: root,
    exclude: (path) => /(^|[\\/])(node_modules|dist)$/.test(path),
  })
  return files
    .map((file) => file.split(sep).join('/'))
    .toSorted()
    .flatMap((file) => checkFile(root, file, packages))
}

function checkFile(root: string, file: string, packages: ReadonlyMap<string, Package>): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const place = placeOf(file)
  const { imports, refused } = readModule(file, text)
  const breaches = imports.flatMap((one) => {
    const { specifier, start } = one
    const why = specifier.startsWith('.')
      ? checkRelative(place, specifier)
      : checkBare(place, one, packages)
    return why === undefined ? [] : [{ start, message: `imports '${specifier}': ${why}` }]
  })
  return [...misplaced(place), ...breaches, ...refused]
    .toSorted((one, other) => one.start - other.start)
    .map(({ start, message }) => `${file}:${text.slice(0, start).split('\n').length} ${message}`)
}

/** Core's sources live in rooms; only its index stands outside them. */
function misplaced({ file, home, kind }: Place): { start: number; message: string }[] {
  if (home !== 'packages/core' || kind !== 'source') return []
  const room = roomOf(file)
  if (room === 'index.ts' || rooms.includes(room)) return []
  const message = `is in no room: core's sources live in src/index.ts or in ${rooms.join(', ')}`
  return [{ start: 0, message }]
}

function checkRelative(place: Place, specifier: string): string | undefined {
  const { file, home, kind } = place
  const target = relative('', resolve(dirname(file), specifier))
    .split(sep)
    .join('/')
  if (kind === 'test' && target.startsWith(twins)) return undefined
  if (!target.startsWith(`${home}/`)) {
    return `it leaves ${home}, whose neighbours are reached by their package names`
  }
  if (kind !== 'source') return undefined
  if (!target.startsWith(`${home}/src/`)) return 'sources import nothing outside src'
  if (target === `${home}/src/index.ts`)
    return 'src/index.ts is for users: nothing inside imports it'
  return home === 'packages/core' ? checkRoom(roomOf(file), roomOf(target)) : undefined
}

function checkRoom(from: string, to: string): string | undefined {
  if (from === to) return undefined
  if (from === 'index.ts') {
    return to === 'testing' ? `testing is its own entry point, ${core}/testing` : undefined
  }
  const step = steps.findIndex((names) => names.includes(from))
  if (step === -1) return undefined
  const before = steps.slice(0, step).flat()
  if (before.includes(to)) return undefined
  const allowed = before.length === 0 ? 'nothing but itself' : `itself and ${before.join(', ')}`
  return `${from} may import ${allowed}`
}

function checkBare(
  { file, home, kind }: Place,
  { specifier, lazy }: Import,
  packages: ReadonlyMap<string, Package>,
): string | undefined {
  if (isBuiltin(specifier)) {
    return specifier.startsWith('node:') ? undefined : `write it as 'node:${specifier}'`
  }
  const own = packages.get(home)
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  if (kind === 'source') {
    if (home === 'packages/core') {
      if (own?.optional.includes(name) !== true || roomOf(file) !== 'testing') {
        return 'core has no runtime dependencies'
      }
      return lazy ? undefined : 'users may do without it: import types, or import it in a call'
    }
    if (name !== core && name.startsWith(scope)) return 'packages import core and never each other'
    if (specifier === `${core}/testing`) return 'sources do not import the testing kit'
    if (name !== core && own?.dependencies.includes(name) !== true) {
      return `it is neither a dependency nor a peer of ${home}`
    }
  }
  if (!name.startsWith(scope)) return undefined
  if (kind === 'test' && name !== core && name !== own?.name) {
    return 'packages import core and never each other'
  }
  const entries = [...packages.values()].flatMap((one) => one.entries)
  if (entries.includes(specifier)) return undefined
  return `it is no public entry point: these are ${entries.toSorted().join(', ')}`
}

function readPackages(root: string): Map<string, Package> {
  const manifests = globSync('packages/*/package.json', { cwd: root })
  return new Map(
    manifests.map((path) => {
      const { name, exports, dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
        readFileSync(join(root, path), 'utf8'),
      ) as {
        name: string
        exports?: Record<string, unknown>
        dependencies?: Record<string, string>
        peerDependencies?: Record<string, string>
        peerDependenciesMeta?: Record<string, { optional?: boolean }>
      }
      return [
        dirname(path).split(sep).join('/'),
        {
          name,
          entries: Object.keys(exports ?? {}).map((key) => name + key.slice(1)),
          dependencies: Object.keys({ ...dependencies, ...peerDependencies }),
          optional: Object.entries(peerDependenciesMeta ?? {}).flatMap(([peer, { optional }]) =>
            optional === true ? [peer] : [],
          ),
        },
      ]
    }),
  )
}

/** The imports of one file, types included, and the exports that no file may have. */
function readModule(
  file: string,
  text: string,
): { imports: Import[]; refused: { start: number; message: string }[] } {
  const { program, errors } = parseSync(file, text)
  if (errors[0] !== undefined) {
    return { imports: [], refused: [{ start: 0, message: `cannot be read: ${errors[0].message}` }] }
  }
  const imports: Import[] = []
  const refused: { start: number; message: string }[] = []
  const take = (
    { value: specifier, start }: { value: string; start: number },
    lazy = false,
  ): void => {
    imports.push({ specifier, start, lazy })
  }
  new Visitor({
    ImportDeclaration: ({ source, importKind }) => take(source, importKind === 'type'),
    TSImportType: ({ source }) => take(source, true),
    ImportExpression: ({ source }) => {
      if (source.type === 'Literal' && typeof source.value === 'string') {
        take({ value: source.value, start: source.start }, true)
      }
    },
    ExportNamedDeclaration: ({ source }) => {
      if (source !== null) take(source)
    },
    ExportAllDeclaration: ({ source, start }) => {
      take(source)
      refused.push({ start, message: 'has `export *`: name what is exported' })
    },
    ExportDefaultDeclaration: ({ start }) => {
      refused.push({ start, message: 'has a default export: export a name' })
    },
  }).visit(program)
  return { imports, refused }
}

function placeOf(file: string): Place {
  const parts = file.split('/')
  const home = parts[0] === 'bench' ? 'bench' : parts.slice(0, 2).join('/')
  if (parts[0] !== 'packages') return { file, home, kind: 'outside' }
  return { file, home, kind: parts[2] === 'src' ? 'source' : 'test' }
}

/** The folder under `src`, or the file's own name if it lies in none. */
function roomOf(file: string): string {
  return file.split('/')[3] ?? ''
}

if (import.meta.main) {
  const breaches = checkRooms(join(import.meta.dirname, '..'))
  for (const breach of breaches) console.error(breach)
  if (breaches.length > 0) process.exitCode = 1
}
