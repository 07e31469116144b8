// Packs every package, checks the packs, and lets a project outside the repository use them, on the
// pinned Node and on the oldest one that users may have: `node scripts/check-packs.ts`.
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules/.bin')
const expected = '3 done\n'

/** Runs a command and gives back what it printed; where it fails, shows that and ends. */
function run(what: string, cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status === 0) {
    console.log(`✔ ${what}`)
    return stdout
  }
  console.error(`✖ ${what}\n${stdout}${stderr}${error?.message ?? ''}`)
  process.exit(1)
}

function packAll(into: string): string[] {
  const folders = globSync('packages/*/package.json', { cwd: root })
    .map((manifest) => join(root, dirname(manifest)))
    .toSorted()
  // What an earlier build left of files that are gone must not be packed.
  for (const folder of folders) rmSync(join(folder, 'dist'), { recursive: true, force: true })
  run('the packages build', root, join(bin, 'tsc'), '-b')
  return folders.map((folder) => {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      name: string
    }
    const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', into]
    const tarball = join(into, run(`${name} packs`, folder, 'npm', ...args).trim())
    run(`${name} is publishable`, folder, join(bin, 'publint'), tarball, '--strict')
    const profile = ['--profile', 'esm-only', '--no-emoji']
    run(`${name} has right types`, folder, join(bin, 'attw'), tarball, ...profile)
    return tarball
  })
}

function consume(tarballs: readonly string[], folder: string): void {
  cpSync(join(import.meta.dirname, 'consumer'), folder, { recursive: true })
  for (const part of ['src', 'test']) {
    const own = join(root, 'examples/own-storage', part)
    cpSync(own, join(folder, 'own-storage', part), { recursive: true })
  }
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
  run('a consumer installs the packs', folder, 'npm', 'install', ...quiet, ...tarballs)
  run('a consumer compiles, declarations checked', folder, join(bin, 'tsc'), '-p', '.')
  consumeOn(folder, process.execPath, process.versions.node)
  consumeOn(folder, join(folder, 'node_modules/.bin/node'), oldest())
}

function consumeOn(folder: string, node: string, version: string): void {
  const actual = run(`Node ${version} is there`, folder, node, '-p', 'process.versions.node').trim()
  if (actual !== version) {
    console.error(`✖ ${node} is Node ${actual}, not ${version}`)
    process.exit(1)
  }
  const output = run(`a consumer runs on Node ${version}`, folder, node, 'src/main.ts')
  if (output !== expected) {
    console.error(`✖ it printed ${JSON.stringify(output)}, not ${JSON.stringify(expected)}`)
    process.exit(1)
  }
  const kit = 'own-storage/test/conformance.test.ts'
  run(
    `a storage of the consumer's own passes the kit on Node ${version}`,
    folder,
    node,
    '--test',
    kit,
  )
}

/** The oldest Node that users may have: the consumer has it as its own. */
function oldest(): string {
  const manifest = readFileSync(join(import.meta.dirname, 'consumer/package.json'), 'utf8')
  const { devDependencies } = JSON.parse(manifest) as { devDependencies: { node: string } }
  return devDependencies.node
}

const folder = mkdtempSync(join(tmpdir(), 'apalis-packs-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
consume(packAll(folder), join(folder, 'consumer'))
