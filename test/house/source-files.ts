import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';

/** A file of the repository: its path from the root with forward slashes, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** An import of a source file, static or dynamic, types included. */
export interface Import {
  readonly from: string;
  /** The specifier of a package or of Node (`fastify`, `node:net`), or the path of a file from the root. */
  readonly target: string;
  readonly isPackage: boolean;
}

/** Every file under `folder` whose name ends in one of `endings`, in order of path. */
export function readFilesUnder(folder: string, endings: readonly string[]): readonly SourceFile[] {
  return readdirSync(join(repositoryRoot, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => relative(repositoryRoot, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !/(^|\/)(node_modules|dist|\.cache|\.venv[^/]*)\//.test(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(repositoryRoot, path), 'utf8') }));
}

/** The TypeScript sources of the product. */
export function readSources(): readonly SourceFile[] {
  return readFilesUnder('src', ['.ts']);
}

const importPattern =
  /^\s*(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

/** The imports and re-exports of a file. */
export function readImports(file: SourceFile): readonly Import[] {
  const code = withoutComments(file.text);
  return [...code.matchAll(importPattern)].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? '';
    if (!specifier.startsWith('.')) return { from: file.path, target: specifier, isPackage: true };
    const target = join(file.path, '..', specifier).replaceAll('\\', '/');
    return { from: file.path, target, isPackage: false };
  });
}

/** The text with its comments blanked; line numbers stay. Strings that look like comments are rare enough. */
export function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|[^:'"`\\/])\/\/[^\n]*/g, '$1');
}

/** `path:line: text` of every line that matches, for the message of a failed assertion. */
export function findLines(file: SourceFile, pattern: RegExp, text = file.text): readonly string[] {
  return text.split('\n').flatMap((line, index) => {
    return pattern.test(line) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [];
  });
}
