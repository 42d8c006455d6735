"use strict";
const place = document.getElementById("documentation");
SwaggerUIBundle({
  url: new URL(place.dataset.schema, location.href.replace(/\/$/, "")).href,
  domNode: place,
  deepLinking: true,
  persistAuthorization: false,
  requestInterceptor: (request) => {
    const cookie = document.cookie.split("; ").find((pair) => pair.startsWith("csrftoken="));
    if (cookie && new URL(request.url, location.href).origin === location.origin) {
      request.headers["X-CSRFToken"] = cookie.split("=")[1];
    }
    return request;
  },
});
