import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { checkDocs } from '../check-docs.ts'
import { makeFolder } from './make-folder.ts'

const example = `import { run } from './run.ts'

async function main(): Promise<void> {
  // #region build
  const task = build()

  // #region push
  if (task) {
    await push(task)
  }
  // #endregion
  // #endregion
}
`

const build = 'const task = build()\n\nif (task) {\n  await push(task)\n}'

function check(readme: string): string[] {
  using folder = makeFolder({ 'README.md': readme, 'examples/seed/src/a.ts': example })
  return checkDocs(folder.path)
}

function block(body: string, language = 'ts'): string {
  return `\`\`\`${language}\n${body}\n\`\`\`\n`
}

test('a block that equals its region, dedented and without inner markers, passes', () => {
  assert.deepEqual(check(`# A\n\n<!-- examples/seed/src/a.ts#build -->\n\n${block(build)}`), [])
})

test('an inner region stands for itself', () => {
  const body = 'if (task) {\n  await push(task)\n}'
  assert.deepEqual(check(`<!-- examples/seed/src/a.ts#push -->\n${block(body)}`), [])
})

test('shell, console and json blocks, and fences inside a longer fence, are free', () => {
  const readme = `${block('npm test', 'sh')}\n${block('{}', 'json')}\n${block('text', '')}
\`\`\`\`md
${block('const a = 1')}\`\`\`\`
`
  assert.deepEqual(check(readme), [])
})

test('a block of code that names no source is refused', () => {
  for (const language of ['ts', 'js', 'tsx', 'mjs', 'typescript', 'javascript']) {
    assert.deepEqual(check(`\n${block('const a = 1', language)}`), [
      'README.md:2 names no source: put <!-- path#region --> before the block',
    ])
  }
})

test('a comment counts only right before its block', () => {
  const readme = `<!-- examples/seed/src/a.ts#build -->\n\nSome words.\n\n${block(build)}`
  assert.deepEqual(check(readme), [
    'README.md:5 names no source: put <!-- path#region --> before the block',
  ])
})

test('a block that differs is refused', () => {
  const readme = `<!-- examples/seed/src/a.ts#build -->\n${block('const task = 1')}`
  assert.deepEqual(check(readme), [
    'README.md:2 differs from examples/seed/src/a.ts#build: `npm run docs` mends it',
  ])
})

test('a file or region that does not exist is refused', () => {
  assert.deepEqual(check(`<!-- examples/seed/src/b.ts -->\n${block('')}`), [
    'README.md:2 names examples/seed/src/b.ts, which does not exist',
  ])
  assert.deepEqual(check(`<!-- examples/seed/src/a.ts#none -->\n${block('')}`), [
    'README.md:2 names examples/seed/src/a.ts#none: the file has no such region, or more than one',
  ])
})

test('writing mends every block and leaves the rest alone', () => {
  const comment = '<!-- examples/seed/src/a.ts#build -->'
  const readme = (body: string): string =>
    `# A\n\n${comment}\n${block(body)}\n- item\n\n  ${comment}\n\n  \`\`\`ts\n${body.replaceAll(/^(?=.)/gm, '  ')}\n  \`\`\`\n\nend\n`
  using folder = makeFolder({ 'README.md': readme('old'), 'examples/seed/src/a.ts': example })

  assert.equal(checkDocs(folder.path).length, 2)
  assert.deepEqual(checkDocs(folder.path, { write: true }), [])
  assert.equal(readFileSync(join(folder.path, 'README.md'), 'utf8'), readme(build))
  assert.deepEqual(checkDocs(folder.path), [])
})

test('a whole file is quoted where no region is named', () => {
  using folder = makeFolder({
    'docs/guide.md': `<!-- examples/seed/output.txt -->\n${block('one\ntwo', 'console')}`,
    'examples/seed/output.txt': 'one\ntwo\n',
  })
  assert.deepEqual(checkDocs(folder.path), [])
})
