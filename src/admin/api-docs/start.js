// Runs in a browser: shows the description of this very service, and lets its calls be tried out.
globalThis.SwaggerUIBundle({
  url: '../openapi.json',
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: -1,
  // Would ask a service elsewhere whether the description is valid.
  validatorUrl: null,
  // A session's cookie is sent by the browser; this says that the call comes from a page of the service.
  requestInterceptor(request) {
    request.headers['X-DDE-Request'] = '1';
    return request;
  },
});
