import type { FastifyInstance } from 'fastify';

/** Knows which methods a path has, to tell "no such path" from "not with this method". */
export interface RouteList {
  /** The methods of the routes that match the path, sorted; empty when none does. */
  methodsOf(path: string): readonly string[];
}

/** Listens to every route that is registered on `app` from now on. */
export function listRoutes(app: FastifyInstance): RouteList {
  const routes: { pattern: RegExp; methods: readonly string[] }[] = [];
  app.addHook('onRoute', (route) => {
    routes.push({ pattern: toPattern(route.url), methods: [route.method].flat() });
  });
  return {
    methodsOf(path) {
      const found = routes.filter((route) => route.pattern.test(path)).flatMap((route) => route.methods);
      return [...new Set(found)].sort();
    },
  };
}

function toPattern(url: string): RegExp {
  const source = url
    .split('/')
    .map((part) =>
      part.startsWith(':') ? '[^/]+' : part === '*' ? '.*' : part.replace(/[^A-Za-z0-9]/g, '\\$&'),
    )
    .join('/');
  return new RegExp(`^${source}/?$`);
}
