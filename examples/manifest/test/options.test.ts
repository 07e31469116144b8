import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'

import { checkPaths, type Options, readOptions, UsageError } from '../src/options.ts'
import { tempFolder } from './temp-folder.ts'

const defaults: Options = {
  folder: resolve('node_modules'),
  output: resolve('manifest.json'),
  workers: 4,
  filesAtOnce: 4,
  log: undefined,
}

test('without arguments it is node_modules, four workers and four files each', () => {
  assert.deepEqual(readOptions([]), defaults)
})

test('every option can be said in two ways', () => {
  const options = { folder: '/folder', output: '/file', workers: 64, filesAtOnce: 1, log: '/log' }
  const short = ['-o', '/file', '-w', '64', '-f', '1', '-l', '/log', '/folder']
  assert.deepEqual(readOptions(short), options)
  assert.deepEqual(
    readOptions(['/folder', '--output=/file', '--workers', '64', '--files=1', '--log', '/log']),
    options,
  )
  assert.equal(readOptions(['--help', '/folder']), undefined)
  assert.equal(readOptions(['-h']), undefined)
})

test('a folder may be called anything', () => {
  assert.equal(readOptions(['--', '--help'])?.folder, resolve('--help'))
})

test('wrong arguments are named', () => {
  const wrong: [RegExp, ...string[]][] = [
    [/^Unknown option '--depth'/, '--depth', '3'],
    [/^Unknown option '-x'/, '-x'],
    [/--output <value>' argument missing/, '--output'],
    [/^one folder at a time: what is 'two'\?/, 'one', 'two'],
    [/^the name of the folder is empty$/, ''],
    [/^the name of the output file is empty$/, '-o', ''],
    [/^the name of the log file is empty$/, '-l', ''],
    [/^--workers must be a whole number from 1 to 64, not '0'$/, '-w', '0'],
    [/^--workers must be a whole number from 1 to 64, not '65'$/, '-w', '65'],
    [/^--files must be a whole number from 1 to 64, not '1e1'$/, '--files=1e1'],
    [/^--files must be a whole number from 1 to 64, not ''$/, '--files='],
  ]
  for (const [message, ...args] of wrong) {
    assert.throws(
      () => readOptions(args),
      (error) => {
        assert.ok(error instanceof UsageError)
        assert.match(error.message, message)
        return true
      },
    )
  }
})

test('paths that cannot be are named', async () => {
  await using place = await tempFolder()
  await place.write('file', '')
  const { path: folder } = place
  const output = place.at('manifest.json')
  await checkPaths({ ...defaults, folder, output })
  await checkPaths({ ...defaults, folder, output: place.at('file') })
  const wrong: [string, Partial<Options>][] = [
    [`there is no folder '${folder}/nowhere'`, { folder: place.at('nowhere') }],
    [`there is no folder '${folder}/file/below'`, { folder: place.at('file/below') }],
    [`'${folder}/file' is not a folder`, { folder: place.at('file') }],
    [
      `cannot write '${folder}/nowhere/out': there is no folder '${folder}/nowhere'`,
      { output: place.at('nowhere/out') },
    ],
    [`cannot write '${folder}': it is a folder`, { output: folder }],
    [`cannot write '${folder}': it is a folder`, { log: folder }],
  ]
  for (const [message, paths] of wrong) {
    await assert.rejects(checkPaths({ ...defaults, folder, output, ...paths }), (error) => {
      assert.ok(error instanceof UsageError)
      assert.equal(error.message, message)
      return true
    })
  }
  const long = `/${'x'.repeat(5_000)}`
  await assert.rejects(checkPaths({ ...defaults, folder: long, output }), /^Error: cannot look at /)
})
