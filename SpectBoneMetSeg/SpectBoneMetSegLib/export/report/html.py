"""`report.html`: the report as a self-contained page."""

from __future__ import annotations

import base64

from .content import Content

__all__ = ["html_report"]

PAGE = """<!doctype html>
<html lang="{{ page.texts("language") }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ page.title }}</title>
<style>
body { font: 15px/1.45 "Helvetica Neue", Arial, sans-serif; color: #191919; max-width: 1080px; margin: 0 auto; padding: 24px; }
h1 { font-size: 24px; margin: 0; }
h2 { font-size: 17px; margin: 28px 0 6px; border-bottom: 1px solid #999; padding-bottom: 3px; }
.headline { font-size: 18px; margin: 6px 0 12px; }
.notice { border: 2px solid #191919; padding: 6px 10px; font-weight: bold; text-align: center; margin: 12px 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 8px 0; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
.pictures { display: grid; grid-template-columns: repeat({{ page.pictures | length }}, 1fr); gap: 8px; margin: 12px 0 6px; }
figure { margin: 0; text-align: center; font-size: 11px; } figure img { width: 100%; }
figcaption { min-height: 3em; display: flex; align-items: flex-end; justify-content: center; }
.note { color: #444; font-size: 13px; margin: 3px 0; }
table { border-collapse: collapse; width: 100%; margin: 8px 0; font-size: 14px; }
th { text-align: left; border-bottom: 1.5px solid #191919; padding: 3px 6px; vertical-align: bottom; }
td { border-bottom: 1px solid #ccc; padding: 3px 6px; } .numeric { text-align: right; font-variant-numeric: tabular-nums; }
ul { margin: 6px 0; padding-left: 20px; }
.confirm { border: 1.5px solid #191919; padding: 10px 14px; margin-top: 28px; break-inside: avoid; }
.box { display: inline-block; width: 12px; height: 12px; border: 1.5px solid #191919; margin-right: 6px; vertical-align: -1px; }
.lines { display: grid; grid-template-columns: 2fr 1fr 2fr; gap: 24px; margin-top: 44px; font-size: 12px; color: #444; }
.lines div { border-top: 1px solid #191919; padding-top: 2px; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } h2, .notice { break-after: avoid; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{ page.title }}</h1>
<p class="headline">{{ page.headline }}</p>
<p class="notice">{{ page.notice }}</p>
<dl>{% for name, value in page.facts %}<dt>{{ name }}</dt><dd>{{ value }}</dd>{% endfor %}</dl>
<div class="pictures">
{% for picture in page.pictures %}<figure><figcaption>{{ picture.caption }}</figcaption>
<img alt="{{ picture.caption }}" src="data:image/png;base64,{{ picture.png | base64 }}"><div>{{ picture.below }}</div></figure>
{% endfor %}</div>
{% for note in page.notes %}<p class="note">{{ note }}</p>{% endfor %}
{% for section in page.sections %}
<section><h2>{{ section.heading }}</h2>
{% if section.facts %}<dl>{% for name, value in section.facts %}<dt>{{ name }}</dt><dd>{{ value }}</dd>{% endfor %}</dl>{% endif %}
{% for sentence in section.sentences %}<p class="note">{{ sentence }}</p>{% endfor %}
{% if section.table %}{% set table = section.table %}
<table><thead><tr>{% for column in table.columns %}<th{% if loop.index0 in table.numeric %} class="numeric"{% endif %}>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}<td{% if loop.index0 in table.numeric %} class="numeric"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>{% endif %}
</section>
{% endfor %}
<section class="confirm"><strong>{{ page.texts("confirmation") }}</strong>
<p class="note">{{ page.texts("confirmation_note") }}</p>
<p><span class="box"></span>{{ page.texts("agree") }}</p><p><span class="box"></span>{{ page.texts("disagree") }}</p>
<div class="lines"><div>{{ page.texts("name") }}</div><div>{{ page.texts("date") }}</div><div>{{ page.texts("signature") }}</div></div>
</section>
</body>
</html>
"""  # noqa: E501


def html_report(content: Content) -> str:
    """Render the page; names and headers of files are escaped, so that no script in them can run."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    return environment.from_string(PAGE).render(page=content)
