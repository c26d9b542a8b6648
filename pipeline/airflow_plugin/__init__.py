"""Airflow's side door: which portfolios, whose day, who signs, and our pages in its interface.

Beside `dags/`, the only code that imports Airflow. An entry point makes Airflow load the plugin.
"""
